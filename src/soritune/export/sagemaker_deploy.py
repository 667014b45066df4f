"""Deploys the folder of `soritune export sagemaker` as an endpoint of Amazon SageMaker.

The exporter copies this file as `deploy.py`. It needs boto3 and nothing else; `--dry-run` only prints every
call, and does not need boto3.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODES = ("realtime", "serverless", "async")
ARCHIVE = "model.tar.gz"
VARIANT = "AllTraffic"
LARGEST_SERVERLESS_MB = 6144
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,36}")
Call = tuple[str, str, dict[str, Any]]
"""Service, method, parameters."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="deploy.py", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--mode", choices=MODES, default="realtime")
    made.add_argument(
        "--name", required=True, help="of the endpoint: letters, digits and hyphens, at most 37"
    )
    made.add_argument("--image", help="URI of the image in ECR, made of the Dockerfile")
    made.add_argument("--role", help="ARN of the role that SageMaker takes")
    made.add_argument("--bucket", help="S3 bucket for the model, and for results of --mode async")
    made.add_argument("--prefix", default="soritune", help="beginning of the keys in the bucket")
    made.add_argument("--instance", default="ml.m5.large", help="of realtime and async")
    made.add_argument("--count", type=int, default=1, help="instances of realtime and async")
    made.add_argument("--memory-mb", type=int, default=3072, help="of serverless: 1024, 2048, … 6144")
    made.add_argument("--concurrency", type=int, default=5, help="requests at once, of serverless and async")
    made.add_argument("--region", help="without it that of the AWS configuration")
    made.add_argument("--update", action="store_true", help="change the endpoint of this name")
    made.add_argument(
        "--delete", action="store_true", help="delete the endpoint, its configuration and its model"
    )
    made.add_argument("--no-wait", action="store_true", help="do not wait until the endpoint is in service")
    made.add_argument("--dry-run", action="store_true", help="only print the calls, as JSON lines")
    return made


def version_of(options: argparse.Namespace, archive: Path) -> str:
    """Eight digits of what is deployed: the archive and the options. SageMaker changes no model and no configuration.

    So a changed deployment has new names, and an equal one the same.
    """
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    chosen = [
        options.mode, options.image, options.role, options.bucket, options.prefix, options.instance, options.count,
        options.memory_mb, options.concurrency,
    ]  # fmt: skip
    digest.update(json.dumps(chosen).encode())
    return digest.hexdigest()[:8]


def creation(options: argparse.Namespace, archive: Path) -> Iterator[Call]:
    """The calls of a deployment in their order."""
    name = f"{options.name}-{options.mode}-{version_of(options, archive)}"
    prefix = f"{options.prefix.strip('/')}/{options.name}".lstrip("/")
    key = f"{prefix}/{name}/{ARCHIVE}"
    yield "s3", "upload_file", {"Filename": str(archive), "Bucket": options.bucket, "Key": key}
    container = {
        "Image": options.image,
        "ModelDataUrl": f"s3://{options.bucket}/{key}",
        "Environment": environment(options.mode),
    }
    model = {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": options.role}
    yield "sagemaker", "create_model", model
    config: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant(options, name)]}
    if options.mode == "async":
        config["AsyncInferenceConfig"] = {
            "OutputConfig": {"S3OutputPath": f"s3://{options.bucket}/{prefix}/results"},
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": options.concurrency},
        }
    yield "sagemaker", "create_endpoint_config", config
    method = "update_endpoint" if options.update else "create_endpoint"
    yield "sagemaker", method, {"EndpointName": options.name, "EndpointConfigName": name}
    if not options.no_wait:
        yield "sagemaker", "wait:endpoint_in_service", {"EndpointName": options.name}


def deletion(options: argparse.Namespace, client: Callable[[str], Any] | None) -> Iterator[Call]:
    """The calls that delete an endpoint, its configuration and its models; files in S3 stay.

    Args:
        options: of the command line.
        client: looks the names up; None, of a dry run, leaves placeholders in their place.
    """
    config, models = "CONFIGURATION OF THE ENDPOINT", ["MODEL OF THE CONFIGURATION"]
    if client is not None:
        sagemaker = client("sagemaker")
        config = sagemaker.describe_endpoint(EndpointName=options.name)["EndpointConfigName"]
        described = sagemaker.describe_endpoint_config(EndpointConfigName=config)
        models = [each["ModelName"] for each in described["ProductionVariants"]]
    yield "sagemaker", "delete_endpoint", {"EndpointName": options.name}
    yield "sagemaker", "delete_endpoint_config", {"EndpointConfigName": config}
    for model in models:
        yield "sagemaker", "delete_model", {"ModelName": model}


def variant(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """What runs the model: instances, or memory without one."""
    made: dict[str, Any] = {"VariantName": VARIANT, "ModelName": model}
    if options.mode == "serverless":
        made["ServerlessConfig"] = {
            "MemorySizeInMB": options.memory_mb,
            "MaxConcurrency": options.concurrency,
        }
    else:
        made.update(InitialInstanceCount=options.count, InstanceType=options.instance)
    return made


def environment(mode: str) -> dict[str, str]:
    """Limits of the container: those that SageMaker has itself for the mode."""
    megabytes, seconds = {"realtime": (25, 60), "serverless": (4, 60), "async": (1024, 3600)}[mode]
    return {"SAGEMAKER_MAX_PAYLOAD_IN_MB": str(megabytes), "SAGEMAKER_MODEL_SERVER_TIMEOUT": str(seconds)}


def fault(options: argparse.Namespace, archive: Path) -> str | None:
    """What is wrong with the options, as one sentence."""
    if not archive.is_file():
        return f"there is no {archive}; run deploy.py of the folder that soritune export sagemaker made"
    if not _NAME.fullmatch(options.name):
        return f"--name {options.name!r} is not letters, digits and hyphens between them, at most 37"
    needed = () if options.delete else ("image", "role", "bucket")
    for name in needed:
        if not getattr(options, name):
            return f"--{name} is missing"
    if options.mode == "serverless" and (
        options.memory_mb % 1024 or not 1024 <= options.memory_mb <= LARGEST_SERVERLESS_MB
    ):
        return f"--memory-mb {options.memory_mb} is not one of 1024, 2048, … {LARGEST_SERVERLESS_MB}"
    if options.count < 1 or options.concurrency < 1:
        return "--count and --concurrency are at least 1"
    return None


def make(call: Call, client: Callable[[str], Any]) -> None:
    """Makes one call."""
    service, method, parameters = call
    if method.startswith("wait:"):
        client(service).get_waiter(method.removeprefix("wait:")).wait(**parameters)
    else:
        getattr(client(service), method)(**parameters)


def main(arguments: list[str] | None = None, client: Callable[[str], Any] | None = None) -> int:
    """Deploys, and returns the exit code.

    Args:
        arguments: of the command line.
        client: service → a client of boto3; None makes them.
    """
    options = parser().parse_args(arguments)
    archive = Path(__file__).resolve().parent / ARCHIVE
    problem = fault(options, archive)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    if options.dry_run:
        client = None
    elif client is None:
        try:
            import boto3
        except ModuleNotFoundError:
            sys.stderr.write("deploying needs boto3, which is not installed: pip install boto3\n")
            return 2
        session = boto3.session.Session(region_name=options.region)
        client = session.client
    label = "the look-up of the endpoint"
    try:
        plan = deletion(options, client) if options.delete else creation(options, archive)
        for call in plan:
            label = f"{call[0]}.{call[1]}"
            sys.stdout.write(json.dumps({"call": label, "parameters": call[2]}) + "\n")
            sys.stdout.flush()
            if client is not None:
                make(call, client)
    except Exception as error:  # of boto3, whose classes may be absent here
        sys.stderr.write(f"{label} failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
