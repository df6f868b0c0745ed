import torch
from torch.nn import functional

from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.retraining.learner import MacroLearner
from trial_runtime.retraining.training import Chance


def child(network_flags):
    architecture, nn_config = (flag.partition("=")[2] for flag in network_flags)
    return Child(*config.read(architecture, nn_config), torch.Generator().manual_seed(0)).eval()


def chance(share=slice(None), batch_size=6):
    return Chance(generator=torch.Generator().manual_seed(1), epoch=1, batch_size=batch_size, share=share)


def test_without_dropout_the_loss_is_the_cross_entropy_of_the_network(network_flags):
    network, x_bchw, labels_b = child(network_flags), torch.randn(6, 1, 8, 8), torch.arange(6) % 2
    found = MacroLearner(network, 0.0)(x_bchw, labels_b, chance())
    torch.testing.assert_close(found.loss, functional.cross_entropy(network(x_bchw), labels_b))
    assert found.total is found.loss


def test_features_are_dropped_for_the_joint_batch_and_their_mean_stays(network_flags):
    network = child(network_flags)
    drawn_bc = MacroLearner(network, 0.25)._draw_features(chance(batch_size=4_000), torch.device("cpu"))
    assert drawn_bc.shape == (4_000, network.num_features)
    assert set(drawn_bc.unique().tolist()) == {0.0, float(torch.tensor(4 / 3))}
    torch.testing.assert_close(drawn_bc.mean(), torch.tensor(1.0), rtol=0.02, atol=0)
    share_bc = MacroLearner(network, 0.25)._draw_features(chance(slice(5, 9), 4_000), torch.device("cpu"))
    assert torch.equal(share_bc, drawn_bc[5:9])
