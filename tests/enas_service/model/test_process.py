import numpy as np
import pytest

from enas_service.model.lbfgs import minimize
from enas_service.model.process import Posterior, fit, negative_log_likelihood, read, usual
from enas_service.model.region import Region


@pytest.fixture
def region(space):
    return Region.of(space)


@pytest.fixture
def trials(region, random):
    """Columns and scores of forty."""
    return region.columns(region.draw(40, random)), random.normal(size=40)


@pytest.fixture
def point(region, random):
    """Parameters somewhere."""
    return usual(region.features) + 0.5 * random.normal(size=len(usual(region.features)))


def test_the_gradient_is_that_of_differences(region, trials, point):
    columns, scores = trials[0].astype(np.float64), trials[1]
    _, gradient = negative_log_likelihood(region.features, columns, scores, point)

    def value(moved):
        return negative_log_likelihood(region.features, columns, scores, moved)[0]

    steps = 1e-2 * np.eye(len(point))
    # Of the fourth order: the products are of single precision, and a small step would be lost in it.
    differences = [
        (8 * (value(point + step) - value(point - step)) - (value(point + 2 * step) - value(point - 2 * step)))
        / (12 * 1e-2)
        for step in steps
    ]
    assert gradient == pytest.approx(np.array(differences), abs=2e-2)


def test_the_covariance_is_positive_definite_wherever_the_fit_may_go(region, trials, random):
    for _ in range(20):
        weights = read(usual(region.features) + 3 * random.normal(size=len(usual(region.features))), region.features)
        covariance = weights.covariance(trials[0], trials[0], region.features).astype(np.float64)
        assert np.diag(covariance) == pytest.approx(1, abs=1e-3)
        assert np.linalg.eigvalsh(covariance).min() > -1e-3


def test_the_posterior_is_the_textbooks(region, trials, point):
    weights, (columns, scores) = read(point, region.features), trials
    asked = region.columns(region.draw(30, np.random.default_rng(1)))
    mean, doubt = Posterior(region.features, weights, columns, scores).predict(asked)
    covariance = weights.covariance(columns, columns, region.features) + weights.noise * np.eye(40)
    between = weights.covariance(asked, columns, region.features)
    assert mean == pytest.approx(between @ np.linalg.solve(covariance, scores), abs=1e-3)
    known = np.einsum("bn,nb->b", between, np.linalg.solve(covariance, between.T))
    assert doubt == pytest.approx(np.sqrt(1 - known), abs=1e-3)


def test_believing_is_conditioning_on_what_is_expected(region, trials, point):
    weights, (columns, scores) = read(point, region.features), trials
    asked = region.columns(region.draw(30, np.random.default_rng(1)))
    posterior = Posterior(region.features, weights, columns, scores)
    expected, _ = posterior.predict(asked[:1])
    believing = posterior.believing(asked[0])
    again = Posterior(region.features, weights, np.concatenate([columns, asked[:1]]), np.append(scores, expected))
    for one, other in zip(believing.predict(asked), again.predict(asked), strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    assert believing.amplitude == posterior.amplitude
    assert believing.predict(asked)[0] == pytest.approx(posterior.predict(asked)[0], abs=1e-3)
    assert believing.predict(asked[:1])[1] < posterior.predict(asked[:1])[1]


def test_what_matters_is_found(region, random):
    """The filter size of the second layer, and three of six joins: of the 100 draws hardly two are alike."""
    networks = region.draw(100, random)
    described = region.space.described(networks)
    names = [attribute.name for attribute in region.space.attributes]
    size = described[:, names.index("layer 2: operation.filter_size")]
    scores = size + networks[:, 4] + networks[:, 6] + networks[:, 8] + 0.05 * random.normal(size=100)
    columns = region.columns(networks)
    weights = fit(region.features, columns, (scores - scores.mean()) / scores.std(), usual(region.features), 40)
    by_decision = np.zeros(10)
    for weight, decisions in zip(weights.weight_f, region.features.decisions_f, strict=True):
        if len(decisions) == 1:
            by_decision[decisions] += weight
    assert set(np.argsort(-by_decision)[:4].tolist()) == {1, 4, 6, 8}


def test_a_minimum_is_found_along_a_curved_valley():
    """Rosenbrock's function, whose minimum is at (1, 1)."""

    def loss(point):
        x, y = point
        gradient = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2, gradient

    point, value = minimize(loss, np.array([-1.2, 1.0]), num_steps=200, tolerance=1e-12)
    assert point == pytest.approx([1, 1], abs=1e-3)
    assert value < 1e-6


def test_a_step_to_where_there_is_no_value_is_made_shorter():
    def loss(point):
        return (float(point[0] - np.log(point[0])), 1 - 1 / point) if point[0] > 0 else (np.inf, np.zeros(1))

    assert minimize(loss, np.array([5.0]), num_steps=50, tolerance=1e-12)[0] == pytest.approx([1], abs=1e-3)
