"""What is told of a finished build to a tracker of experiments: ``susx build --callback susx.tracking:wandb``."""

from susx.tracking.callback import Callback, load_callback, notify
from susx.tracking.flat_metrics import metrics_of
from susx.tracking.trackers import mlflow, wandb

__all__ = ["Callback", "load_callback", "metrics_of", "mlflow", "notify", "wandb"]
