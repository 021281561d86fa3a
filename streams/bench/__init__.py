"""What `zonepulse bench` measures, and the loads that it measures with."""
