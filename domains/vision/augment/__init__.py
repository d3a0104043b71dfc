"""Random views of whole batches of images: two matrix products and one colour matrix for each image."""

from domains.vision.augment.crop import CenterSuppressedCrop, RandomResizedCrop
from domains.vision.augment.multi_crop import CropGroup, MultiCrop
from domains.vision.augment.plan import ViewGeometry
from domains.vision.augment.recipes import RECIPES, Recipe
from domains.vision.augment.views import ViewGenerator

__all__ = [
    "RECIPES",
    "CenterSuppressedCrop",
    "CropGroup",
    "MultiCrop",
    "RandomResizedCrop",
    "Recipe",
    "ViewGenerator",
    "ViewGeometry",
]
