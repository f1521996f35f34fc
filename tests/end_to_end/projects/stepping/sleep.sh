#!/bin/sh
# Runs until somebody ends it.
exec sleep 600
