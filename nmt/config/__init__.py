"""Every setting of nmt, declared once with its default, bounds and help."""
