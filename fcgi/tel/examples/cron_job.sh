#!/bin/sh
# SPDX-License-Identifier: MIT
# A nightly job of two steps, which are seen as children of the job in one trace. In a crontab:
#
#	0 3 * * * OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 cron_job nightly cron_job.sh /srv/data /srv/backup
#
# cron_job is made of cron_job.c. It puts TRACEPARENT into the environment, from which the steps know their parent. A
# step that fails ends the job, and both spans have the status Error.
set -eu
from=$1 to=$2
job=${CRON_JOB:-cron_job}

"$job" pack tar -cf "$to/data.tar" -C "$from" .
"$job" check tar -tf "$to/data.tar" >/dev/null
