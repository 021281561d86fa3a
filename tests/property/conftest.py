"""How hard Hypothesis tries: HYPOTHESIS_PROFILE=long searches for hours what `make test` searches for minutes."""

import os

from hypothesis import settings

settings.register_profile("long", settings.get_profile("thorough"), max_examples=5000)
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])
