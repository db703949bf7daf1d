"""Put a trained model where basf2 finds it: a published global tag, or a local text database for a first test.

    python examples/basf2/create_payload.py model.pth --tag MySkim_v1          # your own store, immutable from now on
    python examples/basf2/create_payload.py model.pth --local localdb/database.txt

Steering files then say NNFilterModule(global_tag="MySkim_v1", payload="GATGAPgen.pth"), or, for the local database,
basf2.conditions.prepend_testing_payloads("localdb/database.txt").
"""

import argparse
from pathlib import Path

from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.conditions.local_text import LocalTextDatabase
from smartbkg.conditions.location import user_conditions_folder

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("--payload", default="GATGAPgen.pth")
target = parser.add_mutually_exclusive_group(required=True)
target.add_argument("--tag", help="new global tag in your own store")
target.add_argument("--local", type=Path, help="local text database")
arguments = parser.parse_args()

if arguments.local:
    payload = LocalTextDatabase(arguments.local).put(arguments.payload, arguments.model, ALWAYS)
    print(f"{payload.name} (MD5 {payload.checksum}) is in {arguments.local}")
else:
    store = ConditionsStore(user_conditions_folder())
    store.create_tag(arguments.tag, description=f"made from {arguments.model.name}")
    payload = store.put(arguments.tag, arguments.payload, arguments.model, ALWAYS)
    store.publish(arguments.tag)
    print(f"{payload} is in the published global tag {arguments.tag} of {store.place}")
