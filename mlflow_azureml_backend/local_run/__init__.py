"""`compute: local`: the project runs on this machine, tracked in the workspace.

A run has a folder of its own (`folder`), in which a small process (`supervisor`) that outlives its
client writes what the project prints and how it ended. Whoever follows the run reads that folder
(`service`), and brings what is in it to the workspace (`session`).
"""
