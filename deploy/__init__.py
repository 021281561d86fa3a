"""What is deployed beside the workers, as files: read them with `importlib.resources.files("zonepulse.deploy")`."""
