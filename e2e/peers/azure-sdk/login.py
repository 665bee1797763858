# Asks for tokens by the vendor's identity library for Python, and prints by which kinds of credentials it got one, as JSON.
# Arguments: authority, audience, PEM of certificate and key, file of a federated token, address of a metadata service.
# REQUESTS_CA_BUNDLE names the authority of the certificate.
import json
import os
import sys

authority, audience, pem, token_file, metadata = sys.argv[1:6]
os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = metadata

from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

known = {"tenant_id": "tenant", "client_id": "client"}
place = {"authority": authority, "disable_instance_discovery": True}
credentials = {
    "secret": ClientSecretCredential(client_secret="the-client-secret", **known, **place),
    "certificate": CertificateCredential(certificate_path=pem, **known, **place),
    "federated": WorkloadIdentityCredential(token_file_path=token_file, **known, **place),
    "imds": ManagedIdentityCredential(),
}
print(json.dumps({kind: each.get_token(audience + "/.default").token for kind, each in credentials.items()}))
