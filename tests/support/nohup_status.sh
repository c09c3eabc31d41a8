#!/usr/bin/env bash
# What became of a job of nohup_submit.sh, in the words of the cluster-generic executor.
if [ ! -s "$1.code" ]; then echo running; elif [ "$(cat "$1.code")" = 0 ]; then echo success; else echo failed; fi
