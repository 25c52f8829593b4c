#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes probe.safetensors: what scikit-learn's LogisticRegression makes of two small tables (needs numpy, scikit-learn).

    python3 tests/golden/make-probe.py tests/golden/probe.safetensors

For CASE "three" and "two" (classes): CASE.features [N, D], CASE.classes [N], and for each C = 1/lambda the fit to a much
smaller tolerance than the default: CASE.LAMBDA.coef [L, D] ([1, D] of two classes) and CASE.LAMBDA.scores [N, L], the
logarithms of the probabilities. Classes overlap, so that small penalties have a minimum too.
"""
import json
import struct
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

LAMBDAS = ["0.001", "1", "100"]
CASES = {"three": (90, 6, 3), "two": (60, 4, 2)}

arrays = {}
random = np.random.default_rng(7)
for case, (n, dim, n_classes) in CASES.items():
    classes = np.arange(n) % n_classes
    centres = random.normal(size=(n_classes, dim))
    features = (centres[classes] + 1.5 * random.normal(size=(n, dim)) + 0.5).astype(np.float32)
    arrays[f"{case}.features"] = features
    arrays[f"{case}.classes"] = classes.astype(np.int32)
    for text in LAMBDAS:
        model = LogisticRegression(C=1 / float(text), max_iter=100000, tol=1e-10)
        model.fit(features.astype(np.float64), classes)
        arrays[f"{case}.{text}.coef"] = model.coef_.astype(np.float32)
        arrays[f"{case}.{text}.scores"] = model.predict_log_proba(features.astype(np.float64)).astype(np.float32)

header, data = {}, b""
for name, array in arrays.items():
    header[name] = {"dtype": "I32" if array.dtype == np.int32 else "F32", "shape": list(array.shape),
                    "data_offsets": [len(data), len(data) + array.nbytes]}
    data += array.tobytes()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
