"""The version of the package; the wheel, the reports and the evidence store read it from here."""

__version__ = "0.1.0"
