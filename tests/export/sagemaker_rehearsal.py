"""Runs deploy.py with boto3 against moto's SageMaker. boto3 needs an older python-dateutil than constraints.txt has.

So it runs in an environment of its own, with boto3 and moto and without soritune:

    python tests/export/sagemaker_rehearsal.py FOLDER      # FOLDER of soritune export sagemaker
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import boto3
from moto import mock_aws

ROLE = "arn:aws:iam::123456789012:role/soritune"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/soritune:1"


def rehearse(folder: Path) -> None:
    """Deploys and deletes an endpoint of every mode. moto has no `update_endpoint`."""
    spec = importlib.util.spec_from_file_location("deploy", folder / "deploy.py")
    assert spec is not None and spec.loader is not None
    deploy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(deploy)
    archive = (folder / "model.tar.gz").read_bytes()
    for mode in deploy.MODES:
        with mock_aws():
            s3 = boto3.client("s3", region_name="eu-west-1")
            s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            sagemaker = boto3.client("sagemaker", region_name="eu-west-1")
            given = ["--mode", mode, "--name", "rehearsal", "--region", "eu-west-1"]
            full = [*given, "--image", IMAGE, "--role", ROLE, "--bucket", "models"]
            assert deploy.main(full) == 0
            described = sagemaker.describe_endpoint(EndpointName="rehearsal")
            assert described["EndpointStatus"] == "InService", described
            config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
            (variant,) = config["ProductionVariants"]
            assert ("ServerlessConfig" in variant) == (mode == "serverless"), variant
            assert ("AsyncInferenceConfig" in config) == (mode == "async"), config
            model = sagemaker.describe_model(ModelName=variant["ModelName"])
            bucket, _, key = model["PrimaryContainer"]["ModelDataUrl"].removeprefix("s3://").partition("/")
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == archive
            assert deploy.main([*given, "--delete"]) == 0
            assert not sagemaker.list_endpoints()["Endpoints"]
            assert not sagemaker.list_models()["Models"]
            assert not sagemaker.list_endpoint_configs()["EndpointConfigs"]
            assert deploy.main([*given, "--delete"]) == 1  # there is none any more


if __name__ == "__main__":
    os.environ.update(AWS_ACCESS_KEY_ID="moto", AWS_SECRET_ACCESS_KEY="moto", AWS_SESSION_TOKEN="moto")
    rehearse(Path(sys.argv[1]))
    sys.stdout.write("rehearsed\n")
