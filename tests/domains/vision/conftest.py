"""One folder and one trained model for all tests of the commands."""

import pytest

from tests.domains.vision.own_images import train_on, write_folder


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """A folder of 24 images in two classes, and the run folder of a model trained on it."""
    root = tmp_path_factory.mktemp("own")
    folder = write_folder(root / "photos")
    return folder, train_on(folder, root / "run")
