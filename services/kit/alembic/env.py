"""Alembic's environment: runs one service's revisions on the connection that `services.kit.migrations` hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
