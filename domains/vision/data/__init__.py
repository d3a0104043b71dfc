"""Images: one container, readers of every format, splits, and sets composed for studies."""
