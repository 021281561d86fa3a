"""Detectors that judge the closed windows of one channel on its own history; one file each, one state for all."""
