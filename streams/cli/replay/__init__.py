"""`zonepulse replay`: files through the core, and runs of the topic beside the live one."""
