# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
"""Writes az.json: what az prints for an answer and a query, in each format.

    pip install knack==0.14.0 jmespath==1.1.0 && python az.py
"""
import collections
import json
import pathlib

import jmespath
from knack import output, util

FORMATS = {"json": output.format_json, "tsv": output.format_tsv, "table": output.format_table,
           "yaml": output.format_yaml}

SERVICE = {
    "name": "diabetes", "imageId": "registry.example/diabetes@sha256:12", "updatedAt": "2026-11-23T12:00:00+00:00",
    "computeType": "AKS", "scoringUri": "http://10.0.0.4:30080/api/v1/service/diabetes/score", "state": "Healthy",
    "tags": {"team": "blue", "area": "health"}, "properties": {}, "environmentDetails": None,
    "containerResourceRequirements": {"cpu": 0.1, "gpu": None, "memoryInGB": 1.5}, "authEnabled": True,
    "models": [{"id": "a:1", "name": "a", "version": 1}, {"id": "b:12", "name": "b", "version": 12}],
}
OTHER = dict(SERVICE, name="iris", state="Failed", computeType="ACI", tags={}, models=[],
             description="two\nlines", etag="e1", id="i1", type="t1", authEnabled=False)
ODD = [None, True, 0, -1.5, 12345678901, 1e-07, "", " spaced ", "a\tb", 'quote " \\', "é日本", [], {}, [[]], [None, 1]]

QUERIES = {
    "service": (SERVICE, [
        None, "name", "state", "scoringUri", "nothing", "tags", "tags.team", "tags.*", "keys(tags)", "values(tags)",
        "authEnabled", "containerResourceRequirements.cpu", "containerResourceRequirements", "models", "models[0]",
        "models[-1].version", "models[9]", "models[].name", "models[*].[name,version]", "models[?version>`2`].id",
        "models[?name=='a'] | [0].id", "[name,state]", "[name,authEnabled,environmentDetails,models,tags]",
        "{Zone:name,Area:state}", "{b:state,a:{d:name,c:authEnabled}}", "[scoringUri,name] | [1]", "@", "*", "models[::-1].id",
        "models[0:1]", "length(models)", "length(@)", "length(name)", "contains(name,'bet')", "starts_with(name,'dia')",
        "ends_with(name,'x')", "join('/',models[].id)", "sort_by(models,&version)[-1].id", "max_by(models,&version).name",
        "min_by(models,&version)", "sum(models[].version)", "avg(models[].version)", "to_string(tags.team)",
        "to_array(name)", "to_number('12')", "type(models)", "not_null(environmentDetails,state)",
        "merge(tags,{area:'x',more:'zz'})", "reverse(models[].id)", "map(&id,models)", "sort(models[].name)",
        "abs(`-3`)", "ceil(containerResourceRequirements.cpu)", "floor(`1.5`)", "max(models[].version)",
        "min(models[].name)", "name=='diabetes' && authEnabled", "name=='x' || state", "!authEnabled", "!environmentDetails",
        "`0` && name", "name > 'c'", "`[1, 2]`", "`{\"a\": 1}`", "'raw'", "\"name\"", "environmentDetails.a.b",
        "environmentDetails.[a]", "environmentDetails.{a:a}", "name[0]", "tags[0]", "name.length(@)",
        "{a:environmentDetails}", "[environmentDetails]", "models[*].{Version:version,Name:name}", "updatedAt >= '2026-01-01'",
    ]),
    "list": ([SERVICE, OTHER], [
        None, "[].name", "[*].name", "[?state=='Healthy'].name", "[?state=='Healthy']", "[?computeType!='AKS'] | [0].name",
        "[].{State:state,Name:name}", "[*].[name,state]", "[].tags.team", "[].tags", "[0]", "[-1].description", "length(@)",
        "[].models[].id", "[].models[]", "sort_by(@,&state)[].name", "[?tags.team].name", "[?contains(name,'i')].name",
        "[?authEnabled].name", "[?!authEnabled].name", "[].[name,description]", "[].{what:description,name:name}",
        "[?updatedAt > '2026-11-01'].name", "[?state=='x']", "[].models", "[][]", "[?name=='iris'].{a:authEnabled}",
    ]),
    "odd": (ODD, [None, "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]", "[8]", "[9]", "[10]", "[11]", "[12]", "[13]", "[14]",
                  "[]", "[?@]", "[0]", "[].type(@)", "{a:[7],b:[10]}", "[[8],[9]]"]),
}


def answer(data, query, form):
    active = query is not None
    if active:
        data = jmespath.compile(query).search(data, jmespath.Options(collections.OrderedDict))
    if data is None:
        return ""
    # Without what makes PyYAML write anchors.
    ordered = json.loads(json.dumps(data)) if form is output.format_yaml else data
    return form(util.CommandResultItem(ordered, is_query_active=active))


def main():
    cases = []
    for name, (data, queries) in QUERIES.items():
        for query in queries:
            said = {form: answer(data, query, write) for form, write in FORMATS.items()}
            cases.append({"answer": name, "query": query or "", **said})
    answers = {name: data for name, (data, _) in QUERIES.items()}
    text = json.dumps({"answers": answers, "cases": cases}, indent=1, ensure_ascii=False)
    pathlib.Path(__file__).with_name("az.json").write_text(text + "\n")


main()
