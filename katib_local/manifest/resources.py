"""The models of Katib's and Kubernetes' resources that a manifest, or what a cluster returns, is checked against.

The package has no ``py.typed``; this is the one place that says so to the type checker.
"""

from kubeflow_katib_api.models.io_k8s_api_core_v1_container import (  # type: ignore[import-untyped]
    IoK8sApiCoreV1Container,
)
from kubeflow_katib_api.models.io_k8s_api_core_v1_pod_template_spec import (  # type: ignore[import-untyped]
    IoK8sApiCoreV1PodTemplateSpec,
)
from kubeflow_katib_api.models.io_k8s_apimachinery_pkg_apis_meta_v1_object_meta import (  # type: ignore[import-untyped]
    IoK8sApimachineryPkgApisMetaV1ObjectMeta,
)
from kubeflow_katib_api.models.v1beta1_algorithm_spec import V1beta1AlgorithmSpec  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_early_stopping_spec import (  # type: ignore[import-untyped]
    V1beta1EarlyStoppingSpec,
)
from kubeflow_katib_api.models.v1beta1_experiment import V1beta1Experiment  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_experiment_spec import (  # type: ignore[import-untyped]
    V1beta1ExperimentSpec,
)
from kubeflow_katib_api.models.v1beta1_metrics_collector_spec import (  # type: ignore[import-untyped]
    V1beta1MetricsCollectorSpec,
)
from kubeflow_katib_api.models.v1beta1_nas_config import V1beta1NasConfig  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_objective_spec import V1beta1ObjectiveSpec  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_parameter_spec import V1beta1ParameterSpec  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_source_spec import V1beta1SourceSpec  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_suggestion import V1beta1Suggestion  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_trial import V1beta1Trial  # type: ignore[import-untyped]
from kubeflow_katib_api.models.v1beta1_trial_parameter_spec import (  # type: ignore[import-untyped]
    V1beta1TrialParameterSpec,
)
from kubeflow_katib_api.models.v1beta1_trial_template import V1beta1TrialTemplate  # type: ignore[import-untyped]

__all__ = [
    "IoK8sApiCoreV1Container",
    "IoK8sApiCoreV1PodTemplateSpec",
    "IoK8sApimachineryPkgApisMetaV1ObjectMeta",
    "V1beta1AlgorithmSpec",
    "V1beta1EarlyStoppingSpec",
    "V1beta1Experiment",
    "V1beta1ExperimentSpec",
    "V1beta1MetricsCollectorSpec",
    "V1beta1NasConfig",
    "V1beta1ObjectiveSpec",
    "V1beta1ParameterSpec",
    "V1beta1SourceSpec",
    "V1beta1Suggestion",
    "V1beta1Trial",
    "V1beta1TrialParameterSpec",
    "V1beta1TrialTemplate",
]
