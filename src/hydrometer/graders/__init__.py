"""Graders: from the text of a reply to a grade. Pure functions, versioned; nothing unreadable becomes a wrong answer."""
