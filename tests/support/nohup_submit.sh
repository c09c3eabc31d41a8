#!/usr/bin/env bash
# The smallest cluster: runs a job script in the background; its path is the job's id, its exit code goes beside it.
nohup bash -c '"$1"; echo $? > "$1.code"' nohup "$1" > "$1.out" 2>&1 &
echo "$1"
