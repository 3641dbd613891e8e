"""Charts of what a log or a simulation says, as Altair charts: ``theme`` has their look, the others one subject each.

Every function takes rows (dicts, or a DataFrame) and gives a chart that draws without the network: on a page through
``offline.widget``, in a file through ``offline.svg`` and ``offline.png``.
"""
