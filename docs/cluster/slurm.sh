#!/bin/bash
# Trains on several nodes under SLURM, and resumes by itself after pre-emption or at the time limit.
#
#   RECIPE=child-phoneme RUN=/shared/runs/children sbatch slurm.sh train.epochs=8
#
# RUN is on a file system that all nodes share, and has checked.parquet and splits.parquet already (docs/cluster.md).
# Arguments are overrides of the recipe. Lines to adapt: the #SBATCH ones, and how Python is found.
#SBATCH --job-name=soritune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# SIGTERM to the tasks (not to this shell) ten minutes before the limit: time for a step and a checkpoint.
#SBATCH --signal=TERM@600

set -u -o pipefail
: "${RECIPE:?name or YAML file of the recipe}" "${RUN:?folder of the run, on the shared file system}"
VENV=${VENV:-.venv}
GPUS=${SLURM_GPUS_ON_NODE:-1}
PORT=$((20000 + SLURM_JOB_ID % 20000))
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
# How long torchrun waits for its processes after a signal before it kills them; 30 s would be its default.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-540}

resume=()
if compgen -G "$RUN/checkpoints/step-*" > /dev/null; then
  resume=(--resume)
fi

# batches.micro_batches_per_step of the recipe must be a multiple of nodes × GPUs.
srun --kill-on-bad-exit=0 "$VENV/bin/torchrun" \
  --nnodes "$SLURM_NNODES" --nproc-per-node "$GPUS" --max-restarts 0 \
  --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$HEAD:$PORT" \
  --module soritune train "$RECIPE" "$@" --output "$RUN" "${resume[@]}"
code=$?

# An interrupted run has written this to its log after its checkpoint. SLURM itself queues pre-empted jobs
# again; at the time limit this script does it.
if [[ $code -ne 0 ]] && tail -n 1 "$RUN/train.jsonl" 2> /dev/null | grep -q '"stopped": "interrupted"'; then
  echo "interrupted; queued again to resume from $(ls -t "$RUN/checkpoints" | head -n 1)"
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
