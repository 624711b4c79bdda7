"""The one loop that trains every model. Start with `loop.py`."""
