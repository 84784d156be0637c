"""Tasks: sources of items with their graders, one file each; nothing is downloaded."""
