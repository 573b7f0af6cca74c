-- SPDX-License-Identifier: MIT
-- Orders to look at from the first minute. Runs once, in the transaction that makes the database.
-- Times are relative to the day of that start, before its midnight.
-- Each one was notified (see notifications.sql), so none has a row in the outbox.

INSERT INTO orders (id, user_id, product, amount_cents, status, created_at)
SELECT column1, column2, column3, column4, column5, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', 'start of day', column6, column7)
FROM (VALUES
    (1, 1, 'Earl Grey tea', 990, 'created', '-8 days', '+09:37:36.192'),
    (2, 2, '测试商品', 9999, 'created', '-8 days', '+13:06:35.064'),
    (3, 3, 'Fahrrad, 28 Zoll', 64900, 'created', '-7 days', '+15:43:34.437'),
    (4, 1, 'Notebook A5', 450, 'cancelled', '-7 days', '+17:03:39.210'),
    (5, 4, 'Самовар', 12950, 'created', '-6 days', '+15:23:19.254'),
    (6, 5, 'Aceite de oliva 1 l', 1390, 'created', '-6 days', '+20:11:44.249'),
    (7, 6, '抹茶セット', 3280, 'created', '-6 days', '+20:20:29.599'),
    (8, 2, 'Chess clock', 5995, 'created', '-5 days', '+09:36:19.537'),
    (9, 7, 'Crème brûlée torch', 2499, 'cancelled', '-5 days', '+15:56:21.459'),
    (10, 8, 'قهوة عربية 500g', 1875, 'created', '-4 days', '+10:59:31.431'),
    (11, 9, 'Talking drum', 21000, 'created', '-4 days', '+12:38:04.120'),
    (12, 10, 'Cà phê Buôn Ma Thuột', 1250, 'created', '-4 days', '+16:26:10.350'),
    (13, 1, 'Analytical engine, model kit', 159900, 'created', '-3 days', '+08:42:04.571'),
    (14, 3, 'Kaffeemühle', 7950, 'created', '-3 days', '+13:44:22.508'),
    (15, 11, 'Tin whistle in D', 1495, 'created', '-3 days', '+17:50:56.321'),
    (16, 12, 'Ελιές Καλαμών 2 kg', 1820, 'created', '-2 days', '+17:51:29.070'),
    (17, 5, 'Guitarra clásica', 34900, 'cancelled', '-2 days', '+21:05:17.485'),
    (18, 2, 'Desk lamp ☀', 4210, 'created', '-1 days', '+18:52:28.291'),
    (19, 6, '折り紙 200枚', 880, 'created', '-1 days', '+19:42:04.062'),
    (20, 10, 'Nón lá', 1200, 'created', '-1 days', '+19:44:19.591')
);
