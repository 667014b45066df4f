"""Models behind HTTP and WebSocket. Needs the extra `serve`; `settings.py` and `keys.py` do not."""
