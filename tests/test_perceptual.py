"""The perceptual term: LPIPS from files and by name, and errors that say how to get its weights."""

from __future__ import annotations

import builtins

import pytest
import torch
from safetensors.torch import save_file

from hostile_files import payloads, write
from vqgan_transformer.training.losses import RandomFeatureLoss
from vqgan_transformer.training.perceptual import LPIPS, perceptual_loss


@pytest.fixture
def lpips(monkeypatch):
    """The package; where torchvision's own operators are missing, two of them are declared so that it can be imported."""
    try:
        import lpips
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        monkeypatch.setattr("vqgan_transformer.training.perceptual._declared", library, raising=False)
        import lpips
    return lpips


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return images, -images


def test_published_weights_are_read_from_a_file(lpips, tmp_path):
    torch.manual_seed(0)
    alex, vgg = (lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval() for net in ("alex", "vgg"))
    torch.save(alex.state_dict(), tmp_path / "lpips.pth")
    # torchvision's VGG16: the same layers by other names, without the heads, which the package has
    layers = {name.split(".", 2)[2]: tensor for name, tensor in vgg.state_dict().items() if name.startswith("net.")}
    save_file({f"features.{name}": tensor.clone() for name, tensor in layers.items()}, tmp_path / "vgg16.safetensors")
    for network, file in ((alex, "lpips.pth"), (vgg, "vgg16.safetensors")):
        perceptual = perceptual_loss(str(tmp_path / file))
        assert perceptual is not None
        with torch.no_grad():
            assert torch.allclose(perceptual(*pair()), network(*pair()), rtol=1e-5), file
        assert not any(parameter.requires_grad for parameter in perceptual.parameters())
        assert not perceptual.train().network.training


def test_other_files_are_refused(lpips, tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match="no weights of a perceptual network"):
        perceptual_loss(str(tmp_path / "part.pth"))


def test_weights_that_cannot_be_had_are_an_error_that_helps(lpips, monkeypatch):
    def unreachable(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(lpips, "LPIPS", unreachable)
    with pytest.raises(RuntimeError, match=r"no network.*pass the file's path.*perceptual='random'"):
        perceptual_loss("vgg")


@pytest.mark.parametrize("error", [ImportError("no lpips"), RuntimeError("operator torchvision::nms does not exist")])
def test_packages_that_cannot_be_imported_are_an_error_that_helps(error, monkeypatch):
    original = builtins.__import__

    def broken(name, *rest):
        if name == "lpips":
            raise error
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(RuntimeError, match=r"lpips and torchvision.*fits your torch"):
        perceptual_loss("alex")


def test_the_term_by_name():
    assert perceptual_loss(None) is None
    assert isinstance(perceptual_loss("random"), RandomFeatureLoss)
    with pytest.raises(ValueError, match="neither one of 'vgg'"):
        perceptual_loss("vgg19")


def test_gray_pictures_are_shown_in_three_channels():
    class Sum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, images, reconstruction):
            return (images - reconstruction).sum((1, 2, 3), keepdim=True)

    assert LPIPS(Sum())(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item() == 48


def test_a_file_of_weights_is_data(tmp_path):
    write(tmp_path / "evil.pth", {"features.0.weight": payloads(tmp_path / "trace")["open"]})
    with pytest.raises(ValueError, match=r"not an ordinary tensor|holds no weights"):
        perceptual_loss(str(tmp_path / "evil.pth"))
    assert not (tmp_path / "trace").exists()
