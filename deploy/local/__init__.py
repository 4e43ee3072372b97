"""The local stack: real Apache Kafka and PostgreSQL without Docker, Java or root, and every process of Kept beside them.

`python -m deploy.local up | restart | down | status`. Nothing here is used in production.
"""
