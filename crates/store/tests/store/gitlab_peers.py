"""Asks a stand-in for GitLab by python-gitlab. Prints what came of it as JSON, in one line, as the last one.

    job PROJECT ID ARCHIVE                   what is known of a job; its archive is written to a file
    files PROJECT NAME VERSION FOLDER        the files of a generic package, which are downloaded
    upload PROJECT NAME VERSION FILE PATH    puts a file of the disk into a package
"""

import json
import os
import pathlib
import sys

import gitlab


def job(project, number, archive):
    found = project.jobs.get(int(number))
    pathlib.Path(archive).write_bytes(found.artifacts())
    return found.attributes


def files(project, name, version, folder):
    packages = project.packages.list(
        package_type="generic", package_name=name, package_version=version, get_all=True
    )
    wanted = [package for package in packages if (package.name, package.version) == (name, version)]
    listed = wanted[0].package_files.list(get_all=True)
    for file in listed:
        content = project.generic_packages.download(name, version, file.file_name)
        (pathlib.Path(folder) / str(file.id)).write_bytes(content)
    return [[file.id, file.file_name, file.size, file.file_sha256] for file in listed]


def upload(project, name, version, file, path):
    return project.generic_packages.upload(name, version, file, path=path, select="package_file").attributes


command, name, *rest = sys.argv[1:]
server = gitlab.Gitlab(os.environ["GITLAB_URL"], private_token=os.environ["GITLAB_TOKEN"])
project = server.projects.get(name, lazy=True)
print(json.dumps({"job": job, "files": files, "upload": upload}[command](project, *rest), default=str))
