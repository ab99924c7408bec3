import json
import os


def init():
    global name
    folder = os.environ["AZUREML_MODEL_DIR"]
    with open(os.path.join(folder, os.listdir(folder)[0])) as model:
        name = model.read().strip()


def run(data):
    return {"model": name, "letters": len(json.loads(data)["text"])}
