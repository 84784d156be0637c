"""Graders: from the text of a reply to a grade. Pure, versioned; nothing unreadable becomes a wrong answer."""
