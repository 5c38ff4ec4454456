# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import shutil
import unittest

import numpy as np

import tessera
import tiny


def keys(name):
    secret, public = tiny.path(name + ".key"), tiny.path(name + ".pub")
    if not os.path.exists(secret):
        tiny.command_line("keygen", "--secret_key", secret, "--public_key", public, "--no_password")
    return secret, public


def executable(name):
    """A file of its own, so that tests may sign and change it."""
    if not os.path.exists(tiny.path("secured.popef")):
        tessera.compile(tiny.model(), tiny.path("secured.popef"), input_shape=tiny.SHAPE)
    shutil.copy(tiny.path("secured.popef"), tiny.path(name))
    return tiny.path(name)


class Verify(unittest.TestCase):
    def test_tells_what_inspect_tells(self):
        path = executable("verified.popef")
        told = tessera.verify(path)
        self.assertIsInstance(told, tessera.Verification)
        inspected = tessera.inspect(path)
        self.assertEqual(told.model_name, inspected["model"])
        inputs = [anchor for anchor in inspected["anchors"] if anchor["type"] == "INPUT"]
        self.assertEqual(told.inputs, len(inputs))
        self.assertEqual(
            [blob[3] for blob in told.blobs], [blob["sha256"] for blob in inspected["blobs"]]
        )
        self.assertGreater(told.operands, told.vertices)
        self.assertTrue(told.fits)
        self.assertIsNone(told.signed_by)
        used, limit = told.limits["vertices"]
        self.assertGreaterEqual(used, told.vertices)
        self.assertLess(used, limit)

    def test_a_changed_byte_raises(self):
        path = pathlib.Path(executable("broken.popef"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with self.assertRaisesRegex(tessera.BadFileError, "broken.popef: blob"):
            tessera.verify(path)

    def test_a_limit_raises(self):
        with self.assertRaises(tessera.RefusedError) as caught:
            tessera.verify(executable("limited.popef"), limits={"vertices": 10})
        self.assertEqual(caught.exception.reason, "limit")


class RequireSignature(unittest.TestCase):
    def setUp(self):
        secret, self.public = keys("right")
        self.path = executable("signed.popef")
        tiny.command_line("sign", self.path, "--secret_key", secret, "--comment", "release 7")

    def loaders(self):
        return (
            tessera.load,
            tessera.verify,
            tessera.inspect,
            lambda *a, **k: tessera.ModelRunner(*a, **k).close(),
        )

    def test_what_the_key_signed_is_loaded(self):
        for load in self.loaders():
            load(self.path, require_signature=self.public)
        told = tessera.verify(self.path, require_signature=pathlib.Path(self.public))
        self.assertEqual(told.trusted_comment, "release 7")
        line = pathlib.Path(self.public).read_text().splitlines()[1]
        self.assertEqual(
            tessera.verify(self.path, require_signature=line).signed_by, told.signed_by
        )
        ids = np.ones((tiny.ROWS, tiny.LENGTH), np.int32)
        inputs = {"input_ids": ids, "attention_mask": ids, "token_type_ids": 0 * ids}
        with tessera.ModelRunner(self.path, require_signature=self.public) as runner:
            self.assertIn("start_logits", runner.run(inputs))

    def test_nothing_else_is(self):
        _, others = keys("others")
        unsigned = executable("unsigned.popef")
        for load in self.loaders():
            with self.assertRaisesRegex(tessera.BadFileError, "is signed by key"):
                load(self.path, require_signature=others)
            with self.assertRaisesRegex(tessera.BadFileError, "has no signature"):
                load(unsigned, require_signature=self.public)

    def test_a_key_that_is_none_is_a_usage_error(self):
        with self.assertRaisesRegex(tessera.UsageError, "require_signature: /no/such.pub"):
            tessera.load(self.path, require_signature="/no/such.pub")

    def test_what_is_loaded_already_has_no_signature(self):
        held = tessera.load(self.path)
        with self.assertRaisesRegex(tessera.UsageError, "is for files"):
            tessera.ModelRunner(held, require_signature=self.public)


if __name__ == "__main__":
    unittest.main()
