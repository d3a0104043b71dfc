"""Encoders of images: the suite's ResNet, and backbones of MONAI and transformers by name."""

from domains.vision.models.backbones import backbone_names, make_backbone
from domains.vision.models.resnet import ResNet

__all__ = ["ResNet", "backbone_names", "make_backbone"]
