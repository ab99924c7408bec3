import json
import os


def init():
    global name
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], os.listdir(os.environ["AZUREML_MODEL_DIR"])[0])) as model:
        name = model.read().strip()


def run(data):
    return {"model": name, "letters": len(json.loads(data)["text"])}
