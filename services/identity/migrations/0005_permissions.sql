INSERT INTO role_permissions (role, permission) VALUES
    ('admin', 'users.delete'),
    ('admin', 'signing_keys.rotate'),
    ('admin', 'catalogue.manage'),
    ('admin', 'orders.read'),
    ('admin', 'orders.manage'),
    ('admin', 'payments.read'),
    ('admin', 'payments.manage'),
    ('admin', 'payments.refund'),
    ('admin', 'deliveries.read');
