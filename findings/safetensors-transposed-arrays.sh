#!/usr/bin/env bash
# safetensors 0.8.0 with numpy 2.4.6.
# Behaviour: safetensors.numpy.save_file writes a transposed or strided array in the order of its memory under the shape
#   of the view. The file is valid; what is read back is another matrix, without an error or a warning.
# A good guess: as safetensors.torch.save_file does, it refuses an array that is not contiguous, or copies it first.
# Why it matters here: features are kept as `keys.T` in the published caches of this field. Saved that way, every
#   support image gets the numbers of others, and accuracies fall to chance without a message.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env" && "$folder/env/bin/pip" install -q safetensors==0.8.0 numpy==2.4.6
"$folder/env/bin/python" - "$folder/rows.safetensors" <<'PYTHON'
import sys
import numpy as np
from safetensors.numpy import load_file, save_file

stored = np.arange(6, dtype=np.float32).reshape(2, 3)
save_file({"rows": stored.T}, sys.argv[1])
read = load_file(sys.argv[1])["rows"]
print("saved", stored.T.tolist())
print("read ", read.tolist())
sys.exit(0 if read.shape == (3, 2) and not np.array_equal(read, stored.T) else 1)
PYTHON
