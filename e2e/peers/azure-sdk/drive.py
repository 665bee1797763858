# Drives container instances as any program with the vendor's SDK for Python does, and prints what it saw as JSON.
# Arguments: endpoint, subscription, token. REQUESTS_CA_BUNDLE names the authority.
import json
import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models as m

endpoint, subscription, token = sys.argv[1:4]


class Credential:
    def get_token(self, *scopes, **kwargs):
        return AccessToken(token, int(time.time()) + 3600)


client = ContainerInstanceManagementClient(
    Credential(), subscription, base_url=endpoint, credential_scopes=[endpoint + "/.default"], polling_interval=0.1
)
resources = m.ResourceRequirements(requests=m.ResourceRequests(cpu=0.5, memory_in_gb=0.5))
group = m.ContainerGroup(
    location="westeurope",
    os_type="Linux",
    restart_policy="Never",
    tags={"by": "python"},
    containers=[
        m.Container(
            name="web",
            image="exit-3",
            resources=resources,
            environment_variables=[m.EnvironmentVariable(name="KEY", secure_value="hidden")],
        )
    ],
)
seen = {}
made = client.container_groups.begin_create_or_update("group", "python", group, polling_interval=0.1).result()
seen["provisioningState"] = made.provisioning_state
for _ in range(200):
    found = client.container_groups.get("group", "python")
    if found.instance_view.state in ("Succeeded", "Failed"):
        break
    time.sleep(0.05)
state = found.containers[0].instance_view.current_state
seen["state"] = state.state
seen["exitCode"] = state.exit_code
seen["finished"] = state.finish_time.year
seen["secure"] = found.containers[0].environment_variables[0].secure_value
seen["listed"] = [each.name for each in client.container_groups.list_by_resource_group("group")]
seen["logs"] = client.containers.list_logs("group", "python", "web").content
seen["usage"] = [each.name.value for each in client.location.list_usage("westeurope")]
seen["capabilities"] = len(list(client.location.list_capabilities("westeurope")))
seen["tags"] = client.container_groups.update("group", "python", m.Resource(tags={"by": "nobody"})).tags
try:
    client.container_groups.begin_create_or_update(
        "group", "bad", m.ContainerGroup(location="westeurope", os_type="Minix", containers=group.containers)
    )
except HttpResponseError as error:
    seen["refused"] = error.error.code
client.container_groups.begin_delete("group", "python", polling_interval=0.1).result()
try:
    client.container_groups.get("group", "python")
except ResourceNotFoundError as error:
    seen["gone"] = error.error.code
print(json.dumps(seen))
