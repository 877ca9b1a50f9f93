"""How alike two images or maps are, and how much information an image holds."""
