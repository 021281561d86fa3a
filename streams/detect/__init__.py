"""Detectors on files: one series judged row by row; faults put into real meters, and what is found of them."""
