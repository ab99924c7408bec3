def init():
    pass


def run(data):
    value = data
return value
