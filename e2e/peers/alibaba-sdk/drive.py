# Drives Elastic Container Instance as any program with the vendor's SDK for Python does, and prints what it saw as JSON.
# Arguments: endpoint (host:port, plain HTTP), access key, its secret, security token.
import json
import sys
import time

import websocket
from alibabacloud_eci20180808 import models as m
from alibabacloud_eci20180808.client import Client
from alibabacloud_tea_openapi import models as open_api
from Tea.exceptions import TeaException

endpoint, key, secret, token = sys.argv[1:5]
region = "cn-hangzhou"
client = Client(
    open_api.Config(
        access_key_id=key,
        access_key_secret=secret,
        security_token=token,
        endpoint=endpoint,
        protocol="HTTP",
        region_id=region,
    )
)


def container(image):
    return m.CreateContainerGroupRequestContainer(
        name="web",
        image=image,
        cpu=0.25,
        memory=0.5,
        environment_var=[m.CreateContainerGroupRequestContainerEnvironmentVar(key="KEY", value="hidden & more")],
        environment_var_hide=True,
        security_context_privileged=False,
        readiness_probe=m.CreateContainerGroupRequestContainerReadinessProbe(
            exec=m.CreateContainerGroupRequestContainerReadinessProbeExec(command=["true"]), period_seconds=1
        ),
    )


def create(name, image, **more):
    request = m.CreateContainerGroupRequest(
        region_id=region,
        container_group_name=name,
        restart_policy="Never",
        tag=[m.CreateContainerGroupRequestTag(key="by", value="python")],
        container=[container(image)],
        **more,
    )
    return client.create_container_group(request).body.container_group_id


def find(group):
    request = m.DescribeContainerGroupsRequest(
        region_id=region,
        container_group_ids=json.dumps([group]),
        tag=[m.DescribeContainerGroupsRequestTag(key="by", value="python")],
    )
    groups = client.describe_container_groups(request).body.container_groups
    return groups[0] if groups else None


def until(group, condition):
    for _ in range(200):
        found = find(group)
        if condition(found):
            return found
        time.sleep(0.05)
    raise SystemExit(f"it did not come to that: {find(group)}")


def refused(call):
    try:
        call()
    except TeaException as error:
        return error.code
    return None


seen = {}
job = create("python-job", "exit-3", gpu_driver_version="tesla=525.85.12", client_token="python-1")
seen["same"] = job == create("python-job", "exit-3", gpu_driver_version="tesla=525.85.12", client_token="python-1")
ended = until(job, lambda found: found.status == "Failed")
seen["exitCode"] = ended.containers[0].current_state.exit_code
seen["variables"] = len(ended.containers[0].environment_vars)
log = m.DescribeContainerLogRequest(region_id=region, container_group_id=job, container_name="web")
seen["log"] = client.describe_container_log(log).body.content

shell = create("python-shell", "runs")
until(shell, lambda found: found.containers[0].ready)
command = m.ExecContainerCommandRequest(
    region_id=region,
    container_group_id=shell,
    container_name="web",
    command=json.dumps(["cat"]),
    tty=False,
    stdin=True,
)
answer = client.exec_container_command(command).body
socket = websocket.create_connection(answer.web_socket_uri, timeout=60)
socket.send_binary(b"over the socket\n")
seen["socket"] = socket.recv().decode()
socket.close()
try:
    websocket.create_connection(answer.web_socket_uri, timeout=60)
except websocket.WebSocketBadStatusException as error:
    seen["again"] = error.status_code

figures = m.DescribeContainerGroupMetricRequest(region_id=region, container_group_id=shell)
seen["figures"] = client.describe_container_group_metric(figures).body.records[0].containers[0].name
seen["usage"] = client.list_usage(m.ListUsageRequest(region_id=region)).body.attributes["UsedCpu"]
seen["refused"] = refused(lambda: create("UPPER", "runs"))
seen["dryRun"] = refused(lambda: create("dry", "runs", dry_run=True))
client.delete_container_group(m.DeleteContainerGroupRequest(region_id=region, container_group_id=shell))
until(shell, lambda found: found is None)
print(json.dumps(seen))
