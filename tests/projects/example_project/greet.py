print("greeted")
