"""Answers at once that it found nothing. What the real one finds is tried in tests/conformance/test_types.py."""

import json

print(json.dumps({"generalDiagnostics": [], "summary": {"filesAnalyzed": 1}}))
