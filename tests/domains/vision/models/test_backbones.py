"""Backbones by name: shapes, gradients, artifacts; what is said of packages and folders that are not there."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import interpolate

from core.errors import UserError
from core.training import load_method, save_method
from domains.vision import METHODS
from domains.vision.methods.simclr import SimCLR, SimCLRSettings
from domains.vision.models import backbone_names, make_backbone
from domains.vision.models.enlarge import enlarge
from domains.vision.models.transformers_network import TransformersNetwork, patch_for

OUT = {
    "resnet": 8 * 8,
    **{f"monai:resnet{depth}": 512 if depth < 50 else 2048 for depth in (10, 18, 34, 50, 101)},
    **{"monai:densenet121": 1024, "monai:densenet169": 1664, "monai:densenet201": 1920},
    **dict(zip([f"monai:efficientnet-b{i}" for i in range(5)], (1280, 1280, 1408, 1536, 1792), strict=True)),
    **{"transformers:vit": 192, "transformers:dinov2": 384, "transformers:resnet": 512},
    **{"transformers:convnext": 768, "transformers:convnextv2": 320},
}
"""Width of the features in the papers' tables."""
QUICK = ("resnet", "monai:resnet10", "monai:densenet121", "monai:efficientnet-b0", "transformers:vit")
QUICK = (*QUICK, "transformers:convnextv2")


def build(name, size=32, stem="auto"):
    torch.manual_seed(0)
    return make_backbone(name, size=size, width=8, depth=10, stem=stem)


def images(size, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_the_list_is_what_is_tested_here():
    assert set(backbone_names()) == set(OUT)


@pytest.mark.parametrize("name", backbone_names())
def test_every_network_answers_with_rows_and_trains_in_all_of_its_parts(name):
    net = build(name)
    assert isinstance(net.out_dim, int)
    h = net(images(32))
    assert h.shape == (2, net.out_dim) == (2, OUT[name])
    weights = torch.randn(h.shape, generator=torch.Generator().manual_seed(2))
    (h * weights).sum().backward()
    idle = [key for key, p in net.named_parameters() if p.grad is None]
    assert not idle, "no head and no mask token, whose gradients other processes would wait for"
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("size", [8, 31, 50])
def test_sizes_that_are_no_powers_of_two(name, size):
    net = build(name, size).eval()
    with torch.no_grad():
        for side in (size, 8, 17):  # also views smaller than the images
            x = torch.nn.functional.pad(images(side), (0, 4))
            h, maps = net(x), net.feature_map(x)
            assert h.shape == (2, net.out_dim)
            assert maps.dim() == 4
            assert maps.shape[0] == 2


@pytest.mark.parametrize("name", [n for n in QUICK if n.startswith(("resnet", "monai"))])
def test_rows_of_convolutional_networks_are_the_mean_of_the_map(name):
    net = build(name).eval()
    with torch.no_grad():
        torch.testing.assert_close(net(images(32)), net.feature_map(images(32)).mean((2, 3)))


@pytest.mark.parametrize("name", QUICK)
def test_weights_go_and_come_back(name):
    net, other = build(name).eval(), make_backbone(name, size=32, width=8, depth=10, stem="auto").eval()
    with torch.no_grad():
        expected = net(images(32))
        assert not torch.equal(other(images(32)), expected)
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(images(32)), expected)


@pytest.mark.parametrize("name", QUICK)
def test_equal_seeds_give_equal_networks(name):
    for a, b in zip(build(name).state_dict().values(), build(name).state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_stem_follows_the_size():
    for size, stem in ((32, "small"), (48, "small"), (64, "medium"), (112, "medium"), (128, "large")):
        for name in ("resnet", "monai:resnet10"):
            auto, fixed = build(name, size), build(name, size, stem)
            shapes = [p.shape for p in auto.parameters()]
            assert shapes == [p.shape for p in fixed.parameters()]
            x = images(64)
            assert auto.eval().feature_map(x).shape == fixed.eval().feature_map(x).shape
    assert build("monai:resnet10", 32).feature_map(images(32)).shape[2:] == (4, 4)
    assert build("monai:resnet10", 64).feature_map(images(64)).shape[2:] == (4, 4)
    assert build("monai:resnet10", 128).feature_map(images(128)).shape[2:] == (4, 4)


@pytest.mark.parametrize("size", range(8, 260))
def test_patches_are_of_a_sensible_number(size):
    patch = patch_for(size)
    assert 1 <= patch <= 16
    assert size // patch >= 7
    if any(size % p == 0 and 7 <= size // p <= 14 for p in range(1, 17)):
        assert size % patch == 0
        assert size // patch <= 14


def test_maps_of_transformers_have_the_patches_in_their_places():
    """An image whose one patch changes: its own token moves most, and the map says where."""
    net = build("transformers:vit", 32).eval()
    x = torch.zeros(1, 3, 32, 48)
    changed = x.clone()
    changed[:, :, 8:12, 36:40] = 5
    with torch.no_grad():
        moved = (net.feature_map(changed) - net.feature_map(x)).norm(dim=1)[0]
    assert moved.shape == (8, 12)
    assert moved.flatten().argmax() == 2 * 12 + 9


def test_enlarging_is_bilinear_and_leaves_what_fits():
    x = images(10)
    assert enlarge(x, 8) is x
    assert enlarge(x, 10, 5) is x
    assert torch.equal(enlarge(x, 32), interpolate(x, size=(32, 32), mode="bilinear", align_corners=False))
    assert enlarge(x[:, :, :7], 8, 4).shape == (2, 3, 8, 12)


@pytest.mark.parametrize("name", ["monai:resnet10", "transformers:vit"])
def test_a_saved_model_is_rebuilt_without_the_network(tmp_path, monkeypatch, name):
    settings = SimCLRSettings(backbone=name)
    method = SimCLR(settings, size=16, mean=[0.5] * 3, std=[0.3] * 3, num_images=4)
    save_method(method, tmp_path / "model", {})
    monkeypatch.setattr("socket.socket.connect", None)
    loaded = load_method(tmp_path / "model", METHODS)
    x = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    assert torch.equal(loaded.embed(x), method.embed(x))
    assert loaded.embed(x).shape == (3, OUT[name])


@pytest.mark.slow
def test_no_torchvision_is_imported():
    script = (
        "import sys, torch\ntorch.set_num_threads(1)\n"
        "from domains.vision.models import make_backbone\n"
        "for name in ('monai:resnet10', 'monai:efficientnet-b0', 'transformers:vit', 'transformers:resnet'):\n"
        "    make_backbone(name, size=32, width=8, depth=10, stem='auto')(torch.zeros(2, 3, 32, 32))\n"
        "sys.exit(any(m.split('.')[0] in ('torchvision', 'timm') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_suites_own_resnet_needs_neither_package():
    script = (
        "import sys\nsys.modules['monai'] = sys.modules['transformers'] = None\n"
        "from domains.vision.models import make_backbone\n"
        "make_backbone('resnet', size=32, width=8, depth=10, stem='auto')"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", ["monai:resnet10", "transformers:vit"])
def test_a_missing_package_is_named_with_its_cure(monkeypatch, name):
    package = name.split(":")[0]
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"another package \(.*pip install 'counterpoint\[backbones\]'"):
        build(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "unknown backbone 'resnet18'; did you mean"),
        ("monai:resnet19", "unknown backbone 'monai:resnet19'; did you mean 'monai:resnet1"),
        ("transformers:bert", "unknown backbone 'transformers:bert'"),
        ("timm:vit", "unknown backbone 'timm:vit'"),
        ("", "unknown backbone ''"),
    ],
)
def test_unknown_names_come_with_the_nearest(name, message):
    with pytest.raises(UserError, match=message):
        build(name)


@pytest.mark.parametrize("changes", [{"size": 7}, {"stem": "tiny"}, {"width": 0}, {"depth": 11}])
def test_settings_out_of_range_are_refused(changes, unchecked):
    given = {"size": 32, "width": 8, "depth": 10, "stem": "small", **changes}
    with pytest.raises(ValueError, match=next(iter(changes))):
        make_backbone("resnet", **given)
    with pytest.raises(ValueError, match="size must be"):
        patch_for(6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Small networks of every kind, as transformers writes them."""
    import transformers as t

    tokens = {"image_size": 16, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokens |= {"patch_size": 4, "intermediate_size": 32}
    maps = {"hidden_sizes": [4, 8, 12, 16], "depths": [1, 1, 1, 1]}
    torch.manual_seed(0)
    models = {
        "vit": t.ViTModel(t.ViTConfig(**tokens)),
        "deit": t.DeiTModel(t.DeiTConfig(**tokens)),
        "dinov2": t.Dinov2Model(t.Dinov2Config(**tokens)),
        "dinov2_with_registers": t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**tokens)),
        "dinov3_vit": t.DINOv3ViTModel(t.DINOv3ViTConfig(**tokens, num_register_tokens=2)),
        "convnext": t.ConvNextModel(t.ConvNextConfig(**maps)),
        "convnextv2": t.ConvNextV2Model(t.ConvNextV2Config(**maps)),
        "resnet": t.ResNetModel(t.ResNetConfig(**maps, embedding_size=4)),
        "regnet": t.RegNetModel(t.RegNetConfig(**maps, embedding_size=4, groups_width=4)),
        "clip": t.CLIPVisionModel(t.CLIPVisionConfig(**tokens)),
    }
    root = tmp_path_factory.mktemp("weights")
    for kind, model in models.items():
        model.eval().save_pretrained(root / kind)
    return root, models


KINDS = ("vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit", "convnext", "convnextv2", "resnet", "regnet")


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_a_folder_give_the_rows_of_their_own_network(folders, capfd, kind):
    root, models = folders
    net = make_backbone(f"transformers:{root / kind}", size=16, width=1, depth=10, stem="auto").eval()
    x = images(32)
    with torch.no_grad():
        options = {"interpolate_pos_encoding": True} if kind in ("vit", "deit") else {}
        answer = models[kind](pixel_values=x, **options)
        last = answer.last_hidden_state
        expected = last[:, 0] if last.dim() == 3 else answer.pooler_output.flatten(1)
        torch.testing.assert_close(net(x), expected)
        maps = net.feature_map(x)
        if last.dim() == 3:
            assert maps.shape == (2, 16, 8, 8)
            torch.testing.assert_close(maps[:, :, 3, 5], last[:, len(last[0]) - 64 + 3 * 8 + 5])
        else:
            torch.testing.assert_close(maps, last)
        assert net(images(13)).shape == (2, net.out_dim) == (2, 16)
    assert "Loading weights" not in capfd.readouterr().err


def test_a_model_from_a_folder_comes_back_while_the_folder_is_there(folders, tmp_path):
    folder = shutil.copytree(folders[0] / "vit", tmp_path / "vit")
    settings = SimCLRSettings(backbone=f"transformers:{folder}")
    method = SimCLR(settings, size=16, mean=[0.5] * 3, std=[0.3] * 3, num_images=4)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.mul_(0.9)
    save_method(method, tmp_path / "model", {})
    x = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    assert torch.equal(load_method(tmp_path / "model", METHODS).embed(x), method.embed(x))
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=r"is not a folder; .*at the place where it was when the model was trained"):
        load_method(tmp_path / "model", METHODS)


def spoil_config(folder):
    (folder / "config.json").write_text("{")


def spoil_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-500])


def lose_weights(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))


def only_pickles(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def other_shapes(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        ("vit", lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        ("vit", spoil_config, "config.json.* cannot be read"),
        ("vit", spoil_weights, "cannot be loaded .*fetch or save the network again"),
        ("vit", lose_weights, r"lacks \d+ weights, such as .*1"),
        ("vit", only_pickles, r"holds no \*\.safetensors; other forms of weights may run code"),
        ("vit", other_shapes, "cannot be loaded"),
        ("clip", lambda folder: None, "holds a network of the kind 'clip_vision_model'; known kinds: vit"),
    ],
)
def test_broken_folders_are_named(folders, tmp_path, kind, spoil, message):
    folder = shutil.copytree(folders[0] / kind, tmp_path / kind)
    spoil(folder)
    with pytest.raises(UserError, match=message):
        make_backbone(f"transformers:{folder}", size=16, width=1, depth=10, stem="auto")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder"):
        TransformersNetwork.from_folder(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is not a folder"):
        make_backbone("transformers:google/vit-base", size=16, width=1, depth=10, stem="auto")
