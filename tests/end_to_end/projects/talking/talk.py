"""Print many lines over some time, with characters of every length in UTF-8."""

import time

for number in range(60):
    print(f"line {number}: größer, 第三行, 🚀", flush=True)
    if number % 10 == 0:
        time.sleep(0.05)
print("no line break at the end", end="")
