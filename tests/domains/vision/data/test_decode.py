"""Every kind of pixel that a file may hold, against what was written into it; and one message for each broken file."""

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from domains.vision.data.decode import IMAGE_SUFFIXES, BrokenImageError, decode, image_shape

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]


def written(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def as_rgb(grey):
    return np.repeat(np.asarray(grey)[..., None], 3, axis=2)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "QOI", "SGI", "WEBP"])
def test_lossless_colour_comes_back_as_it_was(form):
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(decode(written(Image.fromarray(COLOUR), form, **options)), COLOUR)


def test_grey_and_one_bit():
    assert np.array_equal(decode(written(Image.fromarray(GREY))), as_rgb(GREY))
    bits = GREY > 127
    assert np.array_equal(decode(written(Image.fromarray(bits))), as_rgb(bits * np.uint8(255)))


def test_transparent_pixels_are_laid_over_white():
    alpha = np.full((6, 9), 255, dtype=np.uint8)
    alpha[0], alpha[1] = 0, 51  # a fifth
    found = decode(written(Image.fromarray(np.dstack([COLOUR, alpha]))))
    assert (found[0] == 255).all()
    np.testing.assert_allclose(found[1], 0.2 * COLOUR[1] + 0.8 * 255, atol=1)
    assert np.array_equal(found[2:], COLOUR[2:])
    grey = decode(written(Image.fromarray(np.dstack([GREY, alpha]), "LA")))
    assert (grey[0] == 255).all()
    assert np.array_equal(grey[2:], as_rgb(GREY)[2:])


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_transparent_colour(mode):
    image = Image.fromarray(COLOUR).convert(mode)
    first = image.getpixel((0, 0))
    found = decode(written(image, transparency=first))
    expected = np.array(image.convert("RGB"))
    expected[(expected == first).all(-1)] = 255
    assert np.array_equal(found, expected)


def test_palette_with_and_without_transparency():
    indices = np.arange(54, dtype=np.uint8).reshape(6, 9) % 3
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=np.uint8)
    assert np.array_equal(decode(written(image)), colours[indices])
    seen = np.array([[10, 20, 30], [255, 255, 255], [70, 80, 90]], dtype=np.uint8)
    assert np.array_equal(decode(written(image, transparency=1)), seen[indices])
    assert np.array_equal(decode(written(image, "GIF", transparency=1)), seen[indices])
    half = decode(written(image, transparency=bytes([255, 102, 255])))  # an alpha for each entry
    np.testing.assert_allclose(half[indices == 1], [[169, 173, 177]] * (indices == 1).sum(), atol=1)


def test_cmyk_is_converted():
    image = Image.new("CMYK", (4, 3), (0, 255, 255, 0))  # full magenta and yellow: red
    assert (decode(written(image, "TIFF")) == [255, 0, 0]).all()
    np.testing.assert_allclose(decode(written(image, "JPEG", quality=100)).reshape(-1, 3), [[255, 0, 0]] * 12, atol=6)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_divided_by_257(form):
    values = np.array([[0, 128, 129, 257, 32896, 65535]], dtype=np.uint16)
    found = decode(written(Image.fromarray(values), form))
    assert found[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], dtype=np.float32), [0, 128, 255]),
        (np.array([[0.0, 99.6, 200.0]], dtype=np.float32), [0, 100, 200]),
        (np.array([[0.0, 257.0, 65535.0]], dtype=np.float32), [0, 1, 255]),
        (np.array([[0, 257, 65535]], dtype=np.int32), [0, 1, 255]),
        (np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32), [0, 128, 255]),
        (np.array([[0, 0, 0]], dtype=np.float32), [0, 0, 0]),
    ],
)
def test_32_bit_grey_by_the_smallest_range_that_holds_it(values, expected):
    assert decode(written(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("values", [[[-1.0, 3.0]], [[np.nan, 0.0]], [[np.inf, 0.0]], [[0.0, 70000.0]]])
def test_grey_without_a_known_scale_is_refused(values):
    with pytest.raises(BrokenImageError, match=r"scan cannot be read: grey values .* no known scale; save it as"):
        decode(written(Image.fromarray(np.array(values, dtype=np.float32)), "TIFF"), name="scan")


def test_lab_is_refused_by_name():
    with pytest.raises(BrokenImageError, match="print cannot be read: its pixels are LAB"):
        decode(written(Image.new("LAB", (2, 2)), "TIFF"), name="print")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_orientation_of_the_camera_is_applied(orientation, form):
    turned = {
        1: COLOUR,
        2: COLOUR[:, ::-1],
        3: COLOUR[::-1, ::-1],
        4: COLOUR[::-1],
        5: COLOUR.transpose(1, 0, 2),
        6: np.rot90(COLOUR, -1),
        7: COLOUR[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLOUR),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    content = written(Image.fromarray(COLOUR), form, exif=exif, **options)
    assert np.array_equal(decode(content), turned)
    assert image_shape(content) == turned.shape[:2]


def test_damaged_exif_counts_as_none():
    content = written(Image.fromarray(COLOUR), "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08")
    assert np.array_equal(decode(content), COLOUR)


def test_the_first_of_several_frames():
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    for form in ("GIF", "TIFF"):
        content = written(first, form, save_all=True, append_images=[second])
        assert np.array_equal(decode(content), as_rgb(GREY))


def test_a_colour_profile_is_ignored():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode(written(Image.fromarray(COLOUR), icc_profile=profile)), COLOUR)


def test_one_pixel_in_any_size():
    content = written(Image.new("RGB", (1, 1), (7, 8, 9)))
    assert decode(content).tolist() == [[[7, 8, 9]]]
    assert (decode(content, size=(5, 4)) == [7, 8, 9]).all()
    assert decode(content, size=(5, 4)).shape == (5, 4, 3)


def test_a_size_covers_and_cuts_to_the_centre():
    wide = np.random.default_rng(3).integers(0, 256, (20, 61, 3), dtype=np.uint8)
    centre = decode(written(Image.fromarray(wide)), size=(10, 10))
    expected = Image.fromarray(wide).resize((10, 10), Image.Resampling.LANCZOS, box=(20.5, 0, 40.5, 20))
    np.testing.assert_allclose(centre.astype(int), np.asarray(expected).astype(int), atol=1)
    assert decode(wide, size=(10, 30)).shape == (10, 30, 3)
    assert decode(wide, size=(40, 30)).shape == (40, 30, 3)


def test_scaling_down_is_antialiased():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = decode(checks, size=(8, 8))[1:-1, 1:-1]
    assert abs(int(small.min()) - 127) < 4
    assert abs(int(small.max()) - 127) < 4


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch, tmp_path):
    path = tmp_path / "large.jpg"
    Image.radial_gradient("L").resize((1600, 1600)).convert("RGB").save(path)
    loaded = []
    load = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda self: (loaded.append(self.size), load(self))[1])
    small = decode(path, size=(32, 32))
    assert max(max(size) for size in loaded) <= 200
    exact = Image.open(path).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.abs(small.astype(int) - np.asarray(exact).astype(int)).max() <= 4


def test_too_many_pixels_are_refused_whatever_the_warnings_do(monkeypatch, tmp_path):
    path = tmp_path / "poster.png"
    Image.new("L", (40, 30)).save(path)
    for limit in (1000, 500):  # above the limit PIL warns, above twice the limit it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(BrokenImageError, match=rf"poster\.png is too large .*the limit is {limit} pixels.*shrink"):
            decode(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert decode(path).shape == (30, 40, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_size_that_pil_only_warns_of_is_refused_too(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BrokenImageError, match="poster is too large"):
        decode(written(Image.new("L", (40, 30))), name="poster")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_truncated_file_is_named(form, tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"half.{form.lower()}"
    content = written(Image.fromarray(noise), form)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BrokenImageError, match=rf"{path.name} (cannot be read|is no image)"):
        decode(path)


def test_what_is_no_image_is_named(tmp_path):
    for name, content, message in [
        ("letter.jpg", b"Dear Sir or Madam", "is no image in a format that can be read .*PNG"),
        ("void.png", b"", r"is empty \(0 bytes\)"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), ".*needs the package pillow-heif"),
        ("page.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image in a format"),  # never run
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BrokenImageError, match=f"{name} {message}"):
            decode(tmp_path / name)
        with pytest.raises(UserError, match=f"{name} {message}"):
            image_shape(tmp_path / name)
    with pytest.raises(BrokenImageError, match=r"nowhere\.png cannot be read: No such file"):
        decode(tmp_path / "nowhere.png")
    with pytest.raises(BrokenImageError, match="cannot be read: Is a directory"):
        decode(tmp_path)


def test_flipped_bytes_end_in_pixels_or_in_the_one_error():
    random = np.random.default_rng(2)
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "PCX"):
        content = bytearray(written(Image.fromarray(COLOUR), form))
        for _ in range(40):
            broken = bytearray(content)
            for position in random.integers(0, len(content), 4):
                broken[position] = random.integers(256)
            try:
                shape = image_shape(bytes(broken))
                if shape[0] * shape[1] < 10**6:
                    assert decode(bytes(broken), size=(4, 4)).shape == (4, 4, 3)
            except BrokenImageError:
                continue


def test_pixels_are_taken_as_they_are():
    assert np.array_equal(decode(COLOUR), COLOUR)
    assert np.array_equal(decode(GREY), as_rgb(GREY))
    assert image_shape(GREY) == (6, 9)


def test_every_suffix_belongs_to_a_format_that_pil_knows():
    known = Image.registered_extensions()
    assert {suffix for suffix in IMAGE_SUFFIXES if suffix not in known} == {".heic", ".heif"}
    assert {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"} <= IMAGE_SUFFIXES
