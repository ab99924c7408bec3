import json
import os


def init():
    global good
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "words.txt")) as model:
        good = set(model.read().split())


def run(data):
    return {"good": len(good.intersection(json.loads(data)["text"].split()))}
