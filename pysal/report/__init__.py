"""What is written for people: files per image, figures."""
